//! Hyper-parameters, weights, state and the forward page.
