package com.opentelekomcloud.services.runtime;

/** What a handler can learn about its call and its function. */
public interface Context {
    /** Id of the request, a UUID. */
    String getRequestID();

    /** Milliseconds until the call is ended; never negative. */
    int getRemainingTimeInMilliSeconds();

    /** The timeout of the function, in seconds. */
    int getRunningTimeInSeconds();

    /** A variable of the function; null where it has none of that name. */
    String getUserData(String key);

    /** Name of the function. */
    String getFunctionName();

    /** Version of the function; {@code latest} for one that is not published. */
    String getVersion();

    /** Memory of the function, in MB. */
    int getMemorySize();

    /** Processor of the function, in thousandths. */
    int getCPUNumber();

    /** Project of the function. */
    String getProjectID();

    /** Package of the function. */
    String getPackage();

    /** Alias of the call; empty where it used none. */
    String getAlias();

    /** Always empty: long-lived keys are no longer given. */
    String getAccessKey();

    /** Always empty: long-lived keys are no longer given. */
    String getSecretKey();

    /** Temporary key of the function's agency; empty without one. */
    String getSecurityAccessKey();

    /** Temporary secret of the function's agency; empty without one. */
    String getSecuritySecretKey();

    /** Temporary token of the function's agency; empty without one. */
    String getSecurityToken();

    /** IAM token of the function's agency; empty without one. */
    String getToken();

    /** The logger of this call. */
    RuntimeLogger getLogger();

    /** State of a stateful function; null for others. */
    Object getState();

    /** Keeps the state of a stateful function; others throw. */
    void setState(Object state);

    /** Id of the instance. */
    String getInstanceID();

    /** Property of the invocation. */
    String getInvokeProperty();

    /** Id of the trace. */
    String getTraceID();

    /** Id of the invocation. */
    String getInvokeID();

    /** Id of the function flow. */
    String getWorkflowID();

    /** Id of the run of the function flow. */
    String getWorkflowRunID();

    /** Id of the state of the function flow. */
    String getWorkflowStateID();
}
