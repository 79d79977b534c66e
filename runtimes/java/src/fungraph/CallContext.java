package fungraph;

import java.util.HashMap;
import java.util.Map;

/** The handler's second argument, whichever of the three families its class was compiled against. */
final class CallContext
        implements com.huawei.services.runtime.Context,
                com.opentelekomcloud.services.runtime.Context,
                com.services.runtime.Context {
    private final Order order;
    private final Journal journal;
    private final int call;
    private final String request;
    private final String alias;
    private final int limitMillis;
    private final long arrived = System.nanoTime();
    private CallLogger logger;
    private Map<String, String> extra;

    CallContext(Order order, Journal journal, int call, String request, String alias, int limitMillis) {
        this.order = order;
        this.journal = journal;
        this.call = call;
        this.request = request;
        this.alias = alias;
        this.limitMillis = limitMillis;
    }

    int call() {
        return call;
    }

    @Override
    public String getRequestID() {
        return request;
    }

    @Override
    public int getRemainingTimeInMilliSeconds() {
        long left = limitMillis - (System.nanoTime() - arrived) / 1_000_000;
        return left > 0 ? (int) left : 0;
    }

    @Override
    public int getRunningTimeInSeconds() {
        return order.timeoutMillis / 1000;
    }

    @Override
    public String getUserData(String key) {
        return order.userData.get(key);
    }

    @Override
    public CallLogger getLogger() {
        if (logger == null) {
            logger = new CallLogger(journal, call, request);
        }
        return logger;
    }

    @Override
    public String getFunctionName() {
        return order.function;
    }

    @Override
    public String getVersion() {
        return order.version;
    }

    @Override
    public int getMemorySize() {
        return order.memory;
    }

    @Override
    public int getCPUNumber() {
        return order.cpu;
    }

    @Override
    public String getProjectID() {
        return order.project;
    }

    @Override
    public String getPackage() {
        return order.appPackage;
    }

    @Override
    public String getAlias() {
        return alias;
    }

    @Override
    public String getInvokeID() {
        return request;
    }

    // Keys and tokens come from agencies, workflow ids from function flows: the service gives empty texts without them.

    @Override
    public String getAccessKey() {
        return "";
    }

    @Override
    public String getSecretKey() {
        return "";
    }

    @Override
    public String getSecurityAccessKey() {
        return "";
    }

    @Override
    public String getSecuritySecretKey() {
        return "";
    }

    @Override
    public String getSecurityToken() {
        return "";
    }

    @Override
    public String getToken() {
        return "";
    }

    @Override
    public String getInstanceID() {
        return "";
    }

    @Override
    public String getInstanceLabel() {
        return "";
    }

    @Override
    public String getInvokeProperty() {
        return "";
    }

    @Override
    public String getTraceID() {
        return "";
    }

    @Override
    public String getWorkflowID() {
        return "";
    }

    @Override
    public String getWorkflowRunID() {
        return "";
    }

    @Override
    public String getWorkflowStateID() {
        return "";
    }

    @Override
    public String getReqStreamName() {
        return "";
    }

    @Override
    public String getRespStreamName() {
        return "";
    }

    @Override
    public String getFrontendResponseStreamName() {
        return "";
    }

    @Override
    public synchronized Map<String, String> getExtraMap() {
        if (extra == null) {
            extra = new HashMap<>();
        }
        return extra;
    }

    @Override
    public synchronized void setExtraMap(Map<String, String> values) {
        extra = values;
    }

    @Override
    public Object getState() {
        return null;
    }

    @Override
    public void setState(Object state) {
        throw new UnsupportedOperationException(
                "this function is not stateful: setState has nowhere to keep the state");
    }
}
