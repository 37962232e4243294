//! Network: the frame's bone fractions become the probability of missing bone.
