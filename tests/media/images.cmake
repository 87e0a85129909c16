# tests of the pictures half
