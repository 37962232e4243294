//! Slicer: a mesh in patient millimetres becomes placed toolpaths and G-code.
