-- Dead letters and gaps are forgotten by their age.
CREATE INDEX dead_letters_by_time ON dead_letters (found);
CREATE INDEX gaps_by_time ON gaps (found);
