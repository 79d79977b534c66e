package garden;

import com.huawei.services.runtime.Context;

/** Has methods that are no handlers. */
public class Shed {
    public String open(String event) {
        return event;
    }

    String hidden(String event, Context context) {
        return event;
    }
}
