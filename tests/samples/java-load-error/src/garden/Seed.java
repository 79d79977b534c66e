package garden;

import com.huawei.services.runtime.Context;

/** Cannot be used at all. */
public class Seed {
    private static final int SIZE = Integer.parseInt("large");

    public String grow(String event, Context context) {
        return "" + SIZE;
    }
}
