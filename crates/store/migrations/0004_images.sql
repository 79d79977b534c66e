-- How the program of a container image is started: JSON object; NULL for functions that are no image.
ALTER TABLE function_versions ADD COLUMN image TEXT;
