//! The Python bootstrap as byte code: each start saves the compiling, 10 ms and 2.4 MB.

use crate::{
    Interpreter,
    bootstrap::{Bootstrap, RUNTIME_ROOT},
};

pub(crate) const EXTENSION: &str = "pyc";
/// The bootstrap compiles to 60 KB.
pub(crate) const MOST_BYTES: u64 = 4 << 20;

/// The command line that prints the byte code, after `mark` and its length.
pub(crate) fn command(interpreter: &Interpreter, bootstrap: &Bootstrap, mark: &str) -> Vec<String> {
    // The header is that of a file without a source to compare it with: 12 bytes on 3.6, 16 since.
    let script = format!(
        "import importlib.util, marshal, sys\n\
         path = '{RUNTIME_ROOT}/{file}'\n\
         code = compile(open(path, 'rb').read(), path, 'exec', dont_inherit=True, optimize=2)\n\
         header = importlib.util.MAGIC_NUMBER + bytes(12 if sys.version_info >= (3, 7) else 8)\n\
         code = header + marshal.dumps(code)\n\
         sys.stdout.buffer.write(b'{mark}%d\\n' % len(code) + code)",
        file = bootstrap.file,
    );
    let program = interpreter.program.to_string_lossy().into_owned();
    [program, "-B".into(), "-s".into(), "-c".into(), script].into()
}
