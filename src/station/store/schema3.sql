-- From version 2 to 3: wrong PINs within the hour count whoever was right in between, so they are kept beside those
-- since the last right one.
ALTER TABLE guess ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;   -- within the hour before the last try
