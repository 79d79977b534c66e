//! A folder of real files that looks like a host: ELF programs of a hundred bytes, scripts, links and headers.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::super::program::native_machine;
use super::*;

/// What a small program does.
#[derive(Clone, Copy)]
pub(super) enum Elf {
    Prints(&'static str),
    PrintsUnlessRoot(&'static str),
    Hangs,
}

/// The folder, gone when dropped.
pub(super) struct Tree(PathBuf);

impl Tree {
    pub(super) fn new() -> Self {
        let root = std::env::temp_dir().join(format!("fungraph-interpreters-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&root).expect("a folder for the test");
        let root = root.canonicalize().expect("it exists");
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::create_dir(root.join("bin")).expect("mkdir");
        Self(root)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// All places of the tree: `bin` is the PATH, `home` the home.
    pub(super) fn discover(&self) -> Interpreters {
        let plan = SearchPlan {
            path: vec![self.path("bin")],
            homes: vec![self.path("home")],
            roots: vec![self.0.clone()],
            managers: Vec::new(),
            extra: vec![self.path("home")],
            gson: None,
            hidden: vec![self.path("tmp")],
        };
        Interpreters::discover(&plan, Some(&self.path("cache.json")))
    }

    /// Compares what was found, one line each: language, version, origin, prefix.
    pub(super) fn check(&self, found: &Interpreters, expected: &[&str]) {
        let line = |one: &Arc<Interpreter>| {
            let (major, minor, patch) = one.version;
            let prefix = one.prefix.as_deref().and_then(|prefix| prefix.strip_prefix(&self.0).ok());
            let prefix = prefix.unwrap_or(Path::new("-")).display();
            format!("{:?} {major}.{minor}.{patch} {} {prefix}", one.language, one.origin.name())
        };
        assert_eq!(found.all().iter().map(line).collect::<Vec<_>>(), expected, "notes: {:#?}", found.notes());
    }

    /// An installation of Python as `make install` leaves it.
    pub(super) fn python(&self, prefix: &str, series: &str, header: Option<Version>) {
        let program = format!("python{series}");
        let prefix = self.path(prefix);
        self.elf_at(&prefix.join("bin").join(&program), Elf::Hangs);
        let _ = symlink(&program, prefix.join("bin/python3"));
        write(&prefix.join("lib").join(&program).join("os.py"), "");
        if let Some((major, minor, micro)) = header {
            let text = format!(
                "#define PY_MAJOR_VERSION\t{major}\n#define PY_MINOR_VERSION {minor}\n#define PY_MICRO_VERSION {micro}\n"
            );
            write(&prefix.join("include").join(&program).join("patchlevel.h"), &text);
        }
    }

    /// An installation of Node.js as its archive unpacks.
    pub(super) fn node(&self, prefix: &str, header: Option<Version>) {
        let prefix = self.path(prefix);
        self.elf_at(&prefix.join("bin/node"), Elf::Hangs);
        write(&prefix.join("lib/node_modules/npm/package.json"), "{}");
        if let Some((major, minor, patch)) = header {
            let text = format!(
                "#define NODE_MAJOR_VERSION {major}\n#define NODE_MINOR_VERSION {minor}\n#define NODE_PATCH_VERSION {patch}\n"
            );
            write(&prefix.join("include/node/node_version.h"), &text);
        }
    }

    /// A JDK as its archive unpacks; a JRE has no compiler.
    pub(super) fn jdk(&self, home: &str, version: &str, compiler: bool) {
        let home = self.path(home);
        self.elf_at(&home.join("bin/java"), Elf::Hangs);
        write(&home.join("lib/modules"), "");
        write(&home.join("release"), format!("IMPLEMENTOR=\"Ada\"\nJAVA_VERSION=\"{version}\"\n"));
        if compiler {
            self.elf_at(&home.join("bin/javac"), Elf::Hangs);
        }
    }

    /// A toolchain of Go as its archive unpacks.
    pub(super) fn go(&self, root: &str, version: &str) {
        let root = self.path(root);
        self.elf_at(&root.join("bin/go"), Elf::Hangs);
        write(&root.join("src/net/rpc/server.go"), "");
        write(&root.join("VERSION"), version);
    }

    /// A folder of .NET as its script leaves it; without an SDK there is no compiler.
    pub(super) fn dotnet(&self, home: &str, versions: &[&str], sdk: bool) {
        let home = self.path(home);
        self.elf_at(&home.join("dotnet"), Elf::Hangs);
        for version in versions {
            write(&home.join("host/fxr").join(version).join("libhostfxr.so"), "");
            write(&home.join("shared/Microsoft.NETCore.App").join(version).join("System.Runtime.dll"), "");
        }
        if sdk {
            write(&home.join("sdk/8.0.404/Roslyn/bincore/csc.dll"), "");
        }
    }

    /// An installation of PHP as `make install` leaves it.
    pub(super) fn php(&self, prefix: &str, (major, minor, patch): Version) {
        let prefix = self.path(prefix);
        self.elf_at(&prefix.join("bin/php"), Elf::Hangs);
        let text = format!(
            "#define PHP_MAJOR_VERSION {major}\n#define PHP_MINOR_VERSION {minor}\n#define PHP_RELEASE_VERSION {patch}\n"
        );
        write(&prefix.join("include/php/main/php_version.h"), &text);
    }

    pub(super) fn elf(&self, name: &str, what: Elf) {
        self.elf_at(&self.path(name), what);
    }

    /// A program of another machine.
    pub(super) fn foreign_elf(&self, name: &str) {
        let mut program = program(Elf::Hangs);
        program[18] ^= 0xFF;
        write(&self.path(name), program);
        self.mode(name, 0o755);
    }

    pub(super) fn script(&self, name: &str) {
        write(&self.path(name), "#!/bin/sh\nexec pyenv exec python3 \"$@\"\n");
        self.mode(name, 0o755);
    }

    pub(super) fn link(&self, name: &str, to: &str) {
        symlink(self.path(to), self.path(name)).expect("symlink");
    }

    pub(super) fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).expect("chmod");
    }

    fn elf_at(&self, path: &Path, what: Elf) {
        // A new file each time: the one before may still be running.
        let _ = fs::remove_file(path);
        write(path, program(what));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
    fs::write(path, content).expect("write");
}

/// A whole program: ELF header, one loadable segment, a few instructions, a text.
fn program(what: Elf) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let body = code(what);
    let size = HEADERS + body.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2_u16, native_machine()].map(u16::to_le_bytes).concat());
    file.extend(1_u32.to_le_bytes());
    file.extend([BASE + HEADERS, 64, 0].map(u64::to_le_bytes).concat());
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    file.extend([1_u32, 5].map(u32::to_le_bytes).concat());
    file.extend([0, BASE, BASE, size, size, 0x1000].map(u64::to_le_bytes).concat());
    file.extend(body);
    file
}

/// `if (getuid() != 0 || !shy) write(1, text); exit(0)` or `for (;;);`
fn code(what: Elf) -> Vec<u8> {
    let (text, shy) = match what {
        Elf::Prints(text) => (text, false),
        Elf::PrintsUnlessRoot(text) => (text, true),
        Elf::Hangs => ("", false),
    };
    let mut code = match (std::env::consts::ARCH, what) {
        ("aarch64", Elf::Hangs) => words(&[0x1400_0000]),
        ("aarch64", _) => aarch64(text.len(), shy),
        (_, Elf::Hangs) => vec![0xEB, 0xFE],
        _ => x86_64(text.len(), shy),
    };
    code.extend(text.as_bytes());
    code
}

fn x86_64(length: usize, shy: bool) -> Vec<u8> {
    let mut code = Vec::new();
    if shy {
        // mov eax, getuid; syscall; test eax, eax; jz to the exit
        code.extend([0xB8, 102, 0, 0, 0, 0x0F, 0x05, 0x85, 0xC0, 0x74, 24]);
    }
    // mov edi, 1; lea rsi, [rip + 21]; mov edx, length; mov eax, write; syscall
    code.extend([0xBF, 1, 0, 0, 0, 0x48, 0x8D, 0x35, 21, 0, 0, 0, 0xBA, length as u8, 0, 0, 0]);
    code.extend([0xB8, 1, 0, 0, 0, 0x0F, 0x05]);
    // mov eax, exit; xor edi, edi; syscall
    code.extend([0xB8, 60, 0, 0, 0, 0x31, 0xFF, 0x0F, 0x05]);
    code
}

fn aarch64(length: usize, shy: bool) -> Vec<u8> {
    let mut code = Vec::new();
    if shy {
        // mov x8, getuid; svc; cbz w0, to the exit
        code.extend([0xD280_15C8, 0xD400_0001, 0x3400_00C0]);
    }
    // mov x0, 1; adr x1, +28; mov x2, length; mov x8, write; svc
    code.extend([0xD280_0020, 0x1000_00E1, 0xD280_0002 | (length as u32) << 5, 0xD280_0808, 0xD400_0001]);
    // mov x8, exit; mov x0, 0; svc
    code.extend([0xD280_0BA8, 0xD280_0000, 0xD400_0001]);
    words(&code)
}

fn words(code: &[u32]) -> Vec<u8> {
    code.iter().flat_map(|word| word.to_le_bytes()).collect()
}
