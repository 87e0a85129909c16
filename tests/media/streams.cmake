# tests of the streams half
