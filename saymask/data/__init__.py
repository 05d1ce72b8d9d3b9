"""Datasets: ScanNet-layout folders, prepared scenes, annotations, label tables, augmentation."""
