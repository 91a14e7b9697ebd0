//! Rules and lists on expr, and the policy that turns them into a decision. Knows no tokio, arrow, wall clock or randomness.
