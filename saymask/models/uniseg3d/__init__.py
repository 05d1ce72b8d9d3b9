"""UniSeg3D: six segmentation tasks in one model (NeurIPS 2024, arXiv 2407.03263)."""
