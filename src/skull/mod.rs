//! Skull: a CT in HU becomes the network's input, and the way back.
