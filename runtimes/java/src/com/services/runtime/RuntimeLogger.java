package com.services.runtime;

/** Writes lines of a function's log, each with its time, its request and its level. */
public interface RuntimeLogger {
    /** Writes a line of level INFO. */
    void log(String message);

    /** Writes a line of level DEBUG, which is not shown unless asked for. */
    void debug(String message);

    /** Writes a line of level INFO. */
    void info(String message);

    /** Writes a line of level WARN. */
    void warn(String message);

    /** Writes a line of level ERROR. */
    void error(String message);

    /** The lowest level that is shown: DEBUG, INFO, WARN or ERROR. Other words change nothing. */
    void setLevel(String level);
}
