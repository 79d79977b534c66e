<?php
// Line 4 is wrong.
$ten = 10;
$eleven = = 11;
