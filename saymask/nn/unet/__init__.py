"""The sparse 3D U-Net: the network layer by layer, and its fused inference."""
