"""Images in and out: message encodings, compressed files, cameras and videos."""
