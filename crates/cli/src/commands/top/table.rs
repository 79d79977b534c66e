//! The report as lines for people. The functions come last, so that a low terminal cuts off the least busy ones.

use std::fmt::Write as _;

use fungraph_model::{Phase, StartKind, limits};

use super::report::{Function, Interval, Report, Times};

/// Columns for a function's name.
const NAME: usize = 40;

/// All of it.
pub(super) fn draw(endpoint: &str, report: &Report, interval: &Interval) -> String {
    let mut text = head(endpoint, report, interval);
    phases(&mut text, interval);
    functions(&mut text, &report.functions);
    text
}

fn head(endpoint: &str, report: &Report, interval: &Interval) -> String {
    let (up, one) = (report.up_us / 1_000_000, report.instances);
    let span = if interval.seconds.is_some() { "the last second, q ends" } else { "since its start" };
    let clock = format!("{}:{:02}:{:02}", up / 3600, up / 60 % 60, up % 60);
    let stock: Vec<String> =
        report.blank_stock.iter().map(|stock| format!("{} {}", stock.ready, stock.interpreter)).collect();
    let stock = if stock.is_empty() { String::new() } else { format!("blanks      {}\n", stock.join(", ")) };
    let calls = interval.calls();
    let ends = ["returned", "failed", "refused"].map(|end| share(end, interval.ended(end), calls)).join("   ");
    let begun: u64 = StartKind::ALL.iter().map(|kind| interval.started(kind.name())).sum();
    let starts = StartKind::ALL.map(|kind| share(kind.name(), interval.started(kind.name()), begun)).join("   ");
    format!(
        "fungraph top   {endpoint}   up {clock}   {span}\n\
         instances   {} idle, {} busy, {} starting, {} blank\n\
         {stock}\
         memory      {} of {} MB promised to instances\n\
         calls       {}   {ends}\n\
         starts      {starts}\n\
         in line     {}\n\n",
        one.idle,
        one.busy,
        one.starting,
        one.blank,
        report.memory_bytes.promised >> 20,
        report.memory_bytes.most >> 20,
        rate(calls, interval),
        report.waiting,
    )
}

fn share(name: &str, part: u64, of: u64) -> String {
    if of == 0 { format!("{name} -") } else { format!("{name} {:.1} %", part as f64 * 100.0 / of as f64) }
}

/// As a number for all of the time, else for each second.
fn rate(count: u64, interval: &Interval) -> String {
    match interval.seconds {
        None => count.to_string(),
        Some(seconds) => format!("{:.1}/s", count as f64 / seconds),
    }
}

fn phases(text: &mut String, interval: &Interval) {
    line(text, format_args!("{:<14}{:>12}{:>15}{:>15}{:>15}", "phase", "calls", "mean", "p50", "p99"));
    for name in Phase::ALL.map(Phase::name).into_iter().chain(["total"]) {
        let times: Times = interval.phase(name);
        let calls = rate(times.count(), interval);
        let [mean, p50, p99] = [times.mean_us(), times.percentile_us(0.5), times.percentile_us(0.99)].map(millis);
        line(text, format_args!("{name:<14}{calls:>12}{mean:>15}{p50:>15}{p99:>15}"));
    }
    text.push('\n');
}

fn millis(us: Option<f64>) -> String {
    us.map_or_else(|| "-   ".to_owned(), |us| format!("{:.3} ms", us / 1000.0))
}

fn functions(text: &mut String, functions: &[Function]) {
    let [calls, waiting, running, instances] = ["calls/s", "in line", "running", "instances"];
    line(text, format_args!("{:<NAME$}{calls:>9}{waiting:>9}{running:>9}{instances:>11}", "function"));
    for one in functions {
        let version = if one.version == limits::LATEST { "" } else { &*one.version };
        let colon = if version.is_empty() { "" } else { ":" };
        let name = cut(&format!("{}:{}{colon}{version}", one.package, one.name));
        let Function { calls_last_second, waiting, running, instances, .. } = one;
        line(text, format_args!("{name:<NAME$}{calls_last_second:>9}{waiting:>9}{running:>9}{instances:>11}"));
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    write!(text, "{arguments}").expect("a String takes all");
    text.truncate(text.trim_end().len());
    text.push('\n');
}

/// A name that leaves a gap before the next column.
fn cut(name: &str) -> String {
    if name.chars().count() < NAME { name.to_owned() } else { name.chars().take(NAME - 2).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::sample;
    use super::*;

    #[test]
    fn a_table_of_all_the_time() {
        let report = sample(3_723_000_000, 100, 7);
        insta::assert_snapshot!(draw("http://127.0.0.1:3470", &report, &Interval::since_start(&report)), @r"
        fungraph top   http://127.0.0.1:3470   up 1:02:03   since its start
        instances   1 idle, 2 busy, 1 starting, 3 blank
        blanks      3 Python 3.11.2
        memory      512 of 4096 MB promised to instances
        calls       102   returned 99.0 %   failed 1.0 %   refused 0.0 %
        starts      warm 98.0 %   blank 1.0 %   new 1.0 %
        in line     7

        phase                calls           mean            p50            p99
        accept                 102       0.010 ms       0.009 ms       0.009 ms
        authenticate             0           -              -              -
        resolve                  0           -              -              -
        wait                     0           -              -              -
        start                    0           -              -              -
        load                     2      15.000 ms      13.312 ms      18.432 ms
        initialize               0           -              -              -
        run                    102       0.198 ms       0.144 ms       0.144 ms
        answer                   0           -              -              -
        total                  102       0.640 ms       0.240 ms       0.240 ms

        function                                  calls/s  in line  running  instances
        default:hello                                 100        7        2          2
        default:a-function-with-a-rather-long-…         0        0        0          1
        ");
    }

    #[test]
    fn a_table_of_a_second_fits_a_terminal() {
        let (earlier, later) = (sample(1_000_000, 100, 0), sample(2_000_000, 5100, 0));
        let text = draw("http://127.0.0.1:3470", &later, &Interval::since(Some(&earlier), &later));
        insta::assert_snapshot!(text, @r"
        fungraph top   http://127.0.0.1:3470   up 0:00:02   the last second, q ends
        instances   1 idle, 2 busy, 1 starting, 3 blank
        blanks      3 Python 3.11.2
        memory      512 of 4096 MB promised to instances
        calls       5000.0/s   returned 100.0 %   failed 0.0 %   refused 0.0 %
        starts      warm 100.0 %   blank 0.0 %   new 0.0 %
        in line     0

        phase                calls           mean            p50            p99
        accept            5000.0/s       0.010 ms       0.009 ms       0.009 ms
        authenticate         0.0/s           -              -              -
        resolve              0.0/s           -              -              -
        wait                 0.0/s           -              -              -
        start                0.0/s           -              -              -
        load                 0.0/s           -              -              -
        initialize           0.0/s           -              -              -
        run               5000.0/s       0.150 ms       0.144 ms       0.144 ms
        answer               0.0/s           -              -              -
        total             5000.0/s       0.250 ms       0.240 ms       0.240 ms

        function                                  calls/s  in line  running  instances
        default:hello                                5100        0        2          2
        default:a-function-with-a-rather-long-…         0        0        0          1
        ");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.lines().count() <= 24);
    }
}
