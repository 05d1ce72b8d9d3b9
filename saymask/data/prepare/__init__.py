"""Preparation: raw folders in ScanNet's layout to prepared scenes."""
