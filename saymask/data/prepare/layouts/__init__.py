"""Raw folders as the published programs and other collections of scans lay them out; one file per layout."""
