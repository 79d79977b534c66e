<?php
// In the code root, found by include_path.
function from_root()
{
    return "root";
}
