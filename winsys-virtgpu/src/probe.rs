//! What `hesper doctor` asks: which devices there are, and why one can't be used.
