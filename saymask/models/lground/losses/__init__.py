"""The losses of LGround: contrastive pre-training, classification, offsets to object centres."""
