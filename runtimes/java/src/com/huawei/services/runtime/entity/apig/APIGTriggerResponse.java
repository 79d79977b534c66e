package com.huawei.services.runtime.entity.apig;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;

/** What a gateway answers its caller with. */
public class APIGTriggerResponse {
    private int statusCode = 200;
    private Map<String, String> headers;
    private boolean isBase64Encoded;
    private String body = "";

    /** 200 and an empty body. */
    public APIGTriggerResponse() {}

    /** A body as it is. */
    public APIGTriggerResponse(int statusCode, Map<String, String> headers, String body) {
        this(statusCode, headers, false, body);
    }

    /** A body as it is, or one that the gateway decodes from Base64. */
    public APIGTriggerResponse(int statusCode, Map<String, String> headers, boolean isBase64Encoded, String body) {
        this.statusCode = statusCode;
        this.headers = headers;
        this.isBase64Encoded = isBase64Encoded;
        this.body = body;
    }

    public int getStatusCode() {
        return statusCode;
    }

    public void setStatusCode(int value) {
        this.statusCode = value;
    }

    public Map<String, String> getHeaders() {
        return headers;
    }

    public void setHeaders(Map<String, String> value) {
        this.headers = value;
    }

    public boolean isBase64Encoded() {
        return isBase64Encoded;
    }

    public void setBase64Encoded(boolean value) {
        this.isBase64Encoded = value;
    }

    public String getBody() {
        return body;
    }

    public void setBody(String value) {
        this.body = value;
    }

    /** Encodes a body that the gateway is to decode. */
    public void setBase64EncodedBody(String plain) {
        this.body = Base64.getEncoder().encodeToString(plain.getBytes(StandardCharsets.UTF_8));
        this.isBase64Encoded = true;
    }

    /** Sets one header. */
    public void addHeader(String name, String value) {
        own().put(name, value);
    }

    /** Takes one header away. */
    public void removeHeader(String name) {
        own().remove(name);
    }

    /** Sets several headers. */
    public void addHeaders(Map<String, String> more) {
        own().putAll(more);
    }

    /** Headers that can be changed, whatever map the function gave. */
    private Map<String, String> own() {
        headers = headers == null ? new HashMap<>() : new HashMap<>(headers);
        return headers;
    }
}
