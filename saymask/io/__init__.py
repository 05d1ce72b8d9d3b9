"""Reading and writing scans: one file per format, chosen by the suffix (`saymask.io.load`, `saymask.io.save`)."""
