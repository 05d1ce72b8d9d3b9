"""Res16UNet: the network layer by layer, and its fused inference."""
