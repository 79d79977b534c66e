using HC.Serverless.Function.Common;

[assembly: FunctionSerializer(typeof(JsonSerializer))]

namespace Garden
{
    public class Plant
    {
        public string Name { get; set; }
    }

    /// <summary>Returns what it is given.</summary>
    public static class Clerk
    {
        public static Plant Write(Plant plant, IFunctionContext context)
        {
            return plant;
        }
    }
}
