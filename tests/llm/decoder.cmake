# tests of the decoder
