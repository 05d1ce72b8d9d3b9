"""Scenes: encoded scans that answer prompts, and the conversion of answers to masks."""
