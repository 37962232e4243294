//! Implant: probability becomes the bone that is missing, and a solid that fits.
