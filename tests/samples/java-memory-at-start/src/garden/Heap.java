package garden;

import com.huawei.services.runtime.Context;
import java.util.ArrayList;
import java.util.List;

/** Takes all the memory there is while it is made. */
public class Heap {
    private final List<byte[]> all = new ArrayList<>();

    public Heap() {
        while (true) {
            all.add(new byte[1 << 20]);
        }
    }

    public String grow(String event, Context context) {
        return event;
    }
}
