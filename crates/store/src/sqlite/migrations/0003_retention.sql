-- Dead letters that are too old are found by this; decisions are found by `predictions_created`.
CREATE INDEX dead_letters_at ON dead_letters (at);
