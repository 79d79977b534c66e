package fungraph;

/** What getLogger() gives, in all three families. */
final class CallLogger
        implements com.huawei.services.runtime.RuntimeLogger,
                com.opentelekomcloud.services.runtime.RuntimeLogger,
                com.services.runtime.RuntimeLogger {
    private final Journal journal;
    private final int call;
    private final String request;

    CallLogger(Journal journal, int call, String request) {
        this.journal = journal;
        this.call = call;
        this.request = request;
    }

    @Override
    public void log(String message) {
        info(message);
    }

    @Override
    public void debug(String message) {
        journal.logger(request, call, 0, message);
    }

    @Override
    public void info(String message) {
        journal.logger(request, call, 1, message);
    }

    @Override
    public void warn(String message) {
        journal.logger(request, call, 2, message);
    }

    @Override
    public void error(String message) {
        journal.logger(request, call, 3, message);
    }

    @Override
    public void setLevel(String level) {
        journal.setLevel(level);
    }
}
