//! A seeded e-commerce world: events and labels. Knows only domain.
