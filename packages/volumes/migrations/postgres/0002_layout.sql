-- JSON: how the data was encrypted when the row was written, to be compared with the header at each open.
-- NULL in rows from before; filled at the first open that the key proves.
ALTER TABLE volumes ADD COLUMN layout text;
