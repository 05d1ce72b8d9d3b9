"""Geometry of clouds and meshes: voxels, normals, superpoints, sampling, neighbours, elastic distortion, pooling."""
