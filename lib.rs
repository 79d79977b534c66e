#![allow(dead_code)]
mod window;
