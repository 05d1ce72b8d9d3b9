"""The page: a scan in the browser, asked by sentences, words and clicks (`saymask view`, `Masks.show`)."""
