package garden;

import com.huawei.services.runtime.Context;

/** Cannot begin. */
public class Winter {
    public void begin(Context context) {
        throw new IllegalStateException("too cold");
    }

    public String grow(String event, Context context) {
        return event;
    }
}
