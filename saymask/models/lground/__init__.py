"""Language-grounded semantic and instance segmentation of ScanNet200 (ECCV 2022, arXiv 2204.07761)."""
