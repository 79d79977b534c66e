//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

const ABOUT: &str = "A self-hosted serverless platform that speaks the FunctionGraph v2 API";

const LONG_ABOUT: &str = "\
A self-hosted serverless platform that speaks the FunctionGraph v2 API.

The official SDKs work against it unchanged, and so does the code of your functions. Each function runs in a
sandbox of its own, on the Python, Node.js, PHP, Java and .NET of this host, or as a program of its own
(Custom, http, Go, images).";

const EXAMPLES: &str = "\
Examples:
  fungraph doctor                                      what this host can give, and what is missing
  fungraph runtimes                                    which languages and versions run here, on what
  fungraph invoke examples/hello-python --data '{}'    run a folder once, here and now, without a server
  fungraph serve                                       the platform on 127.0.0.1:3470
  fungraph invoke hello --data '{\"name\": \"Ada\"}'       call a function of that server
  fungraph invoke hello --async                        put the call into the queue, and print its id
  fungraph logs hello --last 3                         what its last calls logged
  fungraph why 6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10    where the time of a call went

Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration, 3 port or folder in use, 4 spawner lost.";

const SERVE_HELP: &str = "\
When it is ready, one line on standard output says where: listening on http://HOST:PORT. Everything else goes to
standard error. The first start of a data folder makes a project and an access key; each start writes them with the
endpoint to DATA_DIR/credentials.json. SIGTERM and SIGINT finish what runs; a second signal does not wait.

Examples:
  sudo fungraph serve
  sudo fungraph serve --listen 127.0.0.1:0 --data-dir /tmp/try --auth off
  fungraph serve --print-config > fungraph.toml";

const INVOKE_HELP: &str = "\
A TARGET with a slash, or '.', is a folder: its code runs once, with no server and no set-up, and nothing of it stays.
Anything else is the name or URN of a function on a server; where and who comes from --data-dir/credentials.json, or
from FUNGRAPH_ENDPOINT, HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK and HUAWEICLOUD_SDK_PROJECT_ID.

The result goes to standard output, log and summary to standard error. The exit code is 1 if the function failed.
With --async the server keeps the event and calls later, again if that was set; only the id of the call is printed
(see fungraph async --help).

Examples:
  sudo fungraph invoke . --data '{\"name\": \"Ada\"}'
  sudo fungraph invoke ./report --runtime Node.js18.15 --handler src/main.run --memory 512 --data @event.json
  echo '{}' | fungraph invoke hello --tail --data -";

const ASYNC_HELP: &str = "\
Where the server is comes from --data-dir/credentials.json, or from FUNGRAPH_ENDPOINT, HUAWEICLOUD_SDK_AK,
HUAWEICLOUD_SDK_SK and HUAWEICLOUD_SDK_PROJECT_ID. NAME is the name of a function, or package:name, or its URN.

Examples:
  fungraph invoke report --async --data '{\"day\": \"monday\"}'
  fungraph async list report --status FAIL --since 1d
  fungraph async show report 019c0de1-7a0b-7c55-9d63-2f0e7c1f1f10
  fungraph async pause report                          keep what comes, run nothing";

const REPLAY_HELP: &str = "\
Events are recorded of functions whose extend_config has \"record_events\": true, sealed in the server's data folder, for some days. A
version that was published has the same code for good; of latest it is looked at first.

Examples:
  fungraph replay 6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10 --tail
  fungraph replay 6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10 --to-data-dir /tmp/mine";

const WHY_HELP: &str = "\
A call passes through these phases: accept (its request arrives), authenticate, resolve (which function is it), wait (in
line for an instance), start (a sandbox and its interpreter), load (the function's code), initialize, run, answer.
A warm call has no start, load and initialize.

Example:
  fungraph why 6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10 --function hello";

const TOP_HELP: &str = "\
q ends it. Where the server is comes from --data-dir/credentials.json, or from FUNGRAPH_ENDPOINT, HUAWEICLOUD_SDK_AK,
HUAWEICLOUD_SDK_SK and HUAWEICLOUD_SDK_PROJECT_ID. Prometheus finds the same numbers at /metrics.";

const ENV_HELP: &str = "\
Examples:
  eval \"$(fungraph env)\"
  fungraph env --format clouds > clouds.yaml           a token inside, for 24 hours
  fungraph env --format clouds --user ada              the password comes from secure.yaml
  fungraph env --format terraform > provider.tf";

const USER_HELP: &str = "\
Roles: admin does everything in its project, developer creates, changes, calls and deletes functions, invoker calls them, reader looks.
An admin of the whole account (--everywhere) decides about users, keys and projects too.

Examples:
  fungraph user create ada --password
  fungraph user grant ada developer --project team-a
  fungraph key create ada";

const TRIGGERS_HELP: &str = "\
Where the server is comes from --data-dir/credentials.json, or from FUNGRAPH_ENDPOINT, HUAWEICLOUD_SDK_AK,
HUAWEICLOUD_SDK_SK and HUAWEICLOUD_SDK_PROJECT_ID.

Example:
  fungraph triggers hello";

/// What was asked for.
#[derive(Debug, Parser)]
#[command(
    name = "fungraph",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = EXAMPLES,
    disable_help_subcommand = true,
    max_term_width = 120
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the platform
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Call a function: a folder here and now, or a function of a server by its name
    #[command(after_help = INVOKE_HELP)]
    Invoke(InvokeArgs),
    /// List asynchronous calls, look at them, stop them, and hold a function's queue
    #[command(subcommand, after_help = ASYNC_HELP)]
    Async(AsyncCommand),
    /// Make a recorded call again, with the same event and the same code, here or on another server
    #[command(after_help = REPLAY_HELP)]
    Replay(ReplayArgs),
    /// Show what the calls of a function logged, from the data folder; no server is needed
    Logs(LogsArgs),
    /// Show where the time of a call went, from the data folder; no server is needed
    #[command(after_help = WHY_HELP)]
    Why(WhyArgs),
    /// Show what a server is doing, live: instances, calls, times, the functions with most to do
    #[command(after_help = TOP_HELP)]
    Top(TopArgs),
    /// List the triggers of a function, and when its timers fire next
    #[command(after_help = TRIGGERS_HELP)]
    Triggers(TriggersArgs),
    /// Show what this host can give: walls, interpreters, data folder, port
    Doctor(DoctorArgs),
    /// List the runtimes of the service: what runs each on this host, and what to install for the rest
    Runtimes(RuntimesArgs),
    /// Print what points a client at this server: variables (eval "$(fungraph env)"), a clouds.yaml, a Terraform block
    #[command(after_help = ENV_HELP)]
    Env(EnvArgs),
    /// Make, list and delete projects; for administrators
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Make, list and delete users, and say what they may do; for administrators
    #[command(subcommand, after_help = USER_HELP)]
    User(UserCommand),
    /// Make, list, rotate, disable and delete access keys; for administrators
    #[command(subcommand)]
    Key(KeyCommand),
    #[command(name = RUN_COMMAND, hide = true)]
    Run(RunArgs),
}

/// The hidden command behind `invoke FOLDER`.
pub(crate) const RUN_COMMAND: &str = "__run";

/// One run of a folder, in a place that is there and empty.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    pub(crate) place: PathBuf,
    #[command(flatten)]
    pub(crate) invoke: InvokeArgs,
}

/// Where settings and data are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Locate {
    /// Folder of all that survives a restart [default: /var/lib/fungraph for root, else ~/.local/share/fungraph]
    #[arg(long, value_name = "DIR", env = "FUNGRAPH_DATA_DIR", hide_env_values = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// File of settings that differ from the defaults
    #[arg(long, value_name = "FILE", env = "FUNGRAPH_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Address and port; port 0 takes a free one [default: 127.0.0.1:3470]
    #[arg(long, value_name = "ADDRESS", env = "FUNGRAPH_LISTEN", hide_env_values = true)]
    pub(crate) listen: Option<String>,
    #[command(flatten)]
    pub(crate) locate: Locate,
    /// Whether requests must be signed; off is for loopback only [default: on]
    #[arg(long, value_enum, env = "FUNGRAPH_AUTH", hide_env_values = true)]
    pub(crate) auth: Option<Switch>,
    /// Print the settings that would be in effect, and end
    #[arg(long)]
    pub(crate) print_config: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InvokeArgs {
    /// A folder with code, or the name or URN of a function, with :VERSION or :!ALIAS behind it or not
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// The event: JSON, @FILE, or - for standard input
    #[arg(long, short, value_name = "EVENT", default_value = "{}", hide_default_value = true)]
    pub(crate) data: String,
    /// Show the last 4 KB of the log and a summary; always on for folders
    #[arg(long)]
    pub(crate) tail: bool,
    /// Folder only: the runtime [default: the newest that this host has, by index.py, index.js or index.php; Custom by bootstrap]
    #[arg(long, value_name = "NAME")]
    pub(crate) runtime: Option<String>,
    /// Folder only: the handler [default: index.handler, or bootstrap; handler of Go]
    #[arg(long, value_name = "FILE.FUNCTION")]
    pub(crate) handler: Option<String>,
    /// Folder only: memory in MB [default: 128]
    #[arg(long, value_name = "MB")]
    pub(crate) memory: Option<u32>,
    /// Folder only: seconds the handler may take [default: 3]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u32>,
    /// Name only: put the call into the queue of the server and print its id, without waiting for its end
    #[arg(long = "async", conflicts_with = "tail")]
    pub(crate) asynchronous: bool,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AsyncCommand {
    /// List the calls of a function, the oldest first, with how many wait, run and have ended
    List(AsyncListArgs),
    /// Show all that is known of a call
    Show {
        #[command(flatten)]
        call: AsyncCallArgs,
        /// Print the server's answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop a call: one that waits is thrown away, one that runs is ended with its instance
    Cancel {
        #[command(flatten)]
        call: AsyncCallArgs,
        /// Stop the calls that it has caused, too
        #[arg(long)]
        recursive: bool,
    },
    /// Call once more with the recorded event of a call that has ended, and print the id of the new call
    Retry(AsyncCallArgs),
    /// Let the calls of a function wait: what comes is kept, nothing is begun
    Pause(AsyncFunctionArgs),
    /// Let the calls of a paused function run again
    Resume(AsyncFunctionArgs),
    /// Throw away all calls of a function that wait, and print how many
    Purge(AsyncFunctionArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct AsyncListArgs {
    /// Name of the function, or package:name, or its URN
    #[arg(value_name = "NAME")]
    pub(crate) function: String,
    /// Only calls in this state: WAIT, RUNNING, SUCCESS, FAIL or DISCARD
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<String>,
    /// Only calls that wait or run, however old they are
    #[arg(long, conflicts_with = "since")]
    pub(crate) active: bool,
    /// Calls accepted so long ago at most, such as 90s, 30m, 12h or 7d
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub(crate) since: String,
    /// At most so many calls
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AsyncCallArgs {
    /// Name of the function, or package:name, or its URN
    #[arg(value_name = "NAME")]
    pub(crate) function: String,
    /// The call: what `fungraph invoke --async` printed
    #[arg(value_name = "REQUEST_ID")]
    pub(crate) request: String,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AsyncFunctionArgs {
    /// Name of the function, or package:name, or its URN
    #[arg(value_name = "NAME")]
    pub(crate) function: String,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// The call: X-Cff-Request-Id of its answer, or the id of an asynchronous call
    #[arg(value_name = "REQUEST_ID")]
    pub(crate) request: String,
    /// Only print the event
    #[arg(long)]
    pub(crate) show: bool,
    /// Show the last 4 KB of the log and a summary
    #[arg(long)]
    pub(crate) tail: bool,
    /// Run what is there, even if the code is not the one that the call ran
    #[arg(long)]
    pub(crate) any_code: bool,
    /// Run it on the server of this data folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "to")]
    pub(crate) to_data_dir: Option<PathBuf>,
    /// Run it on the server at this address instead, with the key in FUNGRAPH_TO_AK and FUNGRAPH_TO_SK
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) to: Option<String>,
    /// Project on the server of --to [or FUNGRAPH_TO_PROJECT_ID]
    #[arg(long, value_name = "ID", requires = "to")]
    pub(crate) to_project: Option<String>,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// Name of the function, or package:name, or its URN; with :VERSION behind it, only that version
    #[arg(value_name = "NAME")]
    pub(crate) function: String,
    /// Only the call with this id (X-Cff-Request-Id of its answer)
    #[arg(long, value_name = "ID")]
    pub(crate) request: Option<String>,
    /// Only the last so many calls
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<usize>,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Debug, clap::Args)]
pub(crate) struct WhyArgs {
    /// The call: X-Cff-Request-Id of its answer
    #[arg(value_name = "REQUEST_ID")]
    pub(crate) request: String,
    /// Look only at this function: its name, or package:name, or its URN
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// Print one JSON object; times are microseconds
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TopArgs {
    /// Print one table of everything since the server's start, and end; so it is without a terminal
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TriggersArgs {
    /// Name of the function, or package:name, or its URN
    #[arg(value_name = "NAME")]
    pub(crate) function: String,
    /// Print the server's answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Address that would be listened on [default: 127.0.0.1:3470]
    #[arg(long, value_name = "ADDRESS", env = "FUNGRAPH_LISTEN", hide_env_values = true)]
    pub(crate) listen: Option<String>,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RuntimesArgs {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Debug, clap::Args)]
pub(crate) struct EnvArgs {
    /// What to print: variables, a clouds.yaml for OpenStack's clients, a provider block for Terraform, or one after the other
    #[arg(long, value_enum, default_value_t = EnvFormat::Shell)]
    pub(crate) format: EnvFormat,
    /// clouds only: log in as this user, whose password secure.yaml has, and not with a token for 24 hours
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EnvFormat {
    Shell,
    Clouds,
    Terraform,
    All,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// Make a project
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        locate: Locate,
    },
    /// Show all projects
    List {
        #[command(flatten)]
        locate: Locate,
    },
    /// Delete a project that has no functions and no dependencies any more
    Delete {
        /// Its name or id
        project: String,
        #[command(flatten)]
        locate: Locate,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user, who may do nothing until a role is granted
    Create {
        /// The user's name
        name: String,
        /// Give it a password: asked for, or the first line of standard input
        #[arg(long)]
        password: bool,
        #[command(flatten)]
        locate: Locate,
    },
    /// Show all users and their roles
    List {
        #[command(flatten)]
        locate: Locate,
    },
    /// Delete a user with its keys; its tokens end
    Delete {
        /// The user's name
        name: String,
        #[command(flatten)]
        locate: Locate,
    },
    /// Give a user another password: asked for, or the first line of standard input; its tokens end
    Passwd {
        /// The user's name
        name: String,
        #[command(flatten)]
        locate: Locate,
    },
    /// Give a user a role
    Grant(GrantArgs),
    /// Take a role from a user
    Revoke(GrantArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct GrantArgs {
    /// The user's name
    pub(crate) name: String,
    /// admin, developer, invoker or reader
    pub(crate) role: String,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) locate: Locate,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Place {
    /// In this project: its name or id
    #[arg(long, value_name = "PROJECT")]
    pub(crate) project: Option<String>,
    /// In every project of the account, those to come too; with admin: decides about users, keys and projects
    #[arg(long)]
    pub(crate) everywhere: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key for a user; its secret is shown this once
    Create {
        /// The user's name
        user: String,
        #[command(flatten)]
        locate: Locate,
    },
    /// Show all keys, without their secrets
    List {
        #[command(flatten)]
        locate: Locate,
    },
    /// Give a key another secret, shown this once; the one before counts no more
    Rotate(KeyArgs),
    /// Let a key open nothing for now
    Disable(KeyArgs),
    /// Let a disabled key open something again
    Enable(KeyArgs),
    /// Delete a key
    Delete(KeyArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    /// The access key
    #[arg(value_name = "ACCESS_KEY")]
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) locate: Locate,
}
