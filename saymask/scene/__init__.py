"""Scenes: encoded scans that answer prompts, and what turns answers into masks."""
