package fungraph;

/** Times as log lines write them. Package java.time knows how too, but costs a first call 20 ms. */
final class Stamp {
    private static final long DAY = 86_400_000L;

    private Stamp() {}

    /** {@code 2026-01-02T03:04:05.678Z} for milliseconds since 1970. */
    static String of(long millis) {
        long days = Math.floorDiv(millis, DAY);
        int rest = (int) Math.floorMod(millis, DAY);
        // Years that begin in March, in eras of 400 years: the leap day is then a year's last.
        long shifted = days + 719_468;
        long era = Math.floorDiv(shifted, 146_097L);
        int inEra = (int) Math.floorMod(shifted, 146_097L);
        int year = (inEra - inEra / 1460 + inEra / 36_524 - inEra / 146_096) / 365;
        int inYear = inEra - (365 * year + year / 4 - year / 100);
        int fromMarch = (5 * inYear + 2) / 153;
        int day = inYear - (153 * fromMarch + 2) / 5 + 1;
        int month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
        long calendarYear = year + era * 400 + (month <= 2 ? 1 : 0);
        StringBuilder text = new StringBuilder(24);
        digits(text, calendarYear, 4).append('-');
        digits(text, month, 2).append('-');
        digits(text, day, 2).append('T');
        digits(text, rest / 3_600_000, 2).append(':');
        digits(text, rest / 60_000 % 60, 2).append(':');
        digits(text, rest / 1000 % 60, 2).append('.');
        return digits(text, rest % 1000, 3).append('Z').toString();
    }

    private static StringBuilder digits(StringBuilder text, long number, int width) {
        String plain = Long.toString(number);
        for (int missing = width - plain.length(); missing > 0; missing--) {
            text.append('0');
        }
        return text.append(plain);
    }
}
