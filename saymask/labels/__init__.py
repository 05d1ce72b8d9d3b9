"""Label sets of ScanNet (20 and 200 classes), the label table and the scan lists."""
