"""What a row or an image is drawn from, given the decoder's output."""
