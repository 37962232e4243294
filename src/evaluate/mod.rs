//! Evaluate: how good a prediction is, by the field's measures.
