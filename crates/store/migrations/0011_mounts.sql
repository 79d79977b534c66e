-- Folders of the operator that a function sees: JSON object; NULL for functions without any.
ALTER TABLE function_versions ADD COLUMN mounts TEXT;
