"""Checkpoints of LESS, BQNet and LGround trained on Rooms; saymask finds them here by their names."""
