<?php
function from_beside()
{
    return "beside";
}
